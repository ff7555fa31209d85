"""From a person's file to contract.yaml and a versioned data/raw, with doubts shown and no file edited."""

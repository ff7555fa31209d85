"""From a verdict back to a better model: labelled rows → new data version → pipeline → release."""

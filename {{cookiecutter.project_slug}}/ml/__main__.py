"""`python -m ml` is `ml`."""

from ml.cli import main

if __name__ == "__main__":
    main()

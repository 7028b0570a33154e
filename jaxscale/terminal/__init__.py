"""What the command line prints and how it behaves; the commands themselves are in cli.py."""

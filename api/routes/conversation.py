"""What the model was shown and what it said, phase by phase."""

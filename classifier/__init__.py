"""What a person is doing: windows, features, the action model and its training."""

"""State, conversion of the training form's parameters, and the streaming form that results."""

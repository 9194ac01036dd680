"""Chicago taxi trips: a wide and deep model of who tips more than a fifth of the fare."""

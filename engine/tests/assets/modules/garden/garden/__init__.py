"""A garden: functions of every kind."""

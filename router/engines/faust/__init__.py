"""The agents as an agent of a Faust app."""

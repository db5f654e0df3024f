"""The talk key and the terminal's keys; knows neither the screen nor the engine's inside."""

"""A conversation as a machine: inputs in, effects out; no clock, no loop, no device."""

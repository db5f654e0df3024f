"""Pure parts: no thread, loop, clock, socket or device. Events in, events out."""

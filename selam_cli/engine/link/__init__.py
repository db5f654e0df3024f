"""Socket.IO: one connection, the policy of coming back, what waits to be sent, and what is let in."""

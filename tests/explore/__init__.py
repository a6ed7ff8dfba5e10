"""Small worlds, explored exhaustively: two or three real engines on one LAN, every order of what can happen to them."""

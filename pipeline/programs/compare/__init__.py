"""Two images of one service side by side."""

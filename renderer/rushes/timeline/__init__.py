"""Timeline documents and the plans made from them; imports neither torch nor av."""

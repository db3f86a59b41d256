"""Timeline documents and the plans made from them; knows neither torch nor av."""

"""From results.json to what people and machines read: `pages`, `history`, and `publish`, which stands on both."""

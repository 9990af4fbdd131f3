"""From text to nodes and back: blocks, tokens, parsing, building, what a slip was meant to be, the one layout."""

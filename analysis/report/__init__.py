"""The page of any study: content, figures, tables; it knows no study."""

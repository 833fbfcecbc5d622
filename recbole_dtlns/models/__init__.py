"""How RecBole's models are asked for scores, layers and weighted losses without touching their code."""

"""How hard the negatives of a run are, for its log alone: nothing here decides what is drawn or learnt."""

"""Finding, reading and converting data sets; what the evaluator sees is the split that is read here."""

"""The distilled judge: a small model learns a language model's answers and asks it only where it is unsure.

`features` turns pairs into numbers, from codes alone. `scale` says how answers become margins, and `model` fits them
with scikit-learn. `cascade` labels whole users with the teacher, fits, and sends the least certain pairs back to it;
`report` says on held-out labels how well the student imitates. `folds` predicts each user's pairs from the others'.
"""

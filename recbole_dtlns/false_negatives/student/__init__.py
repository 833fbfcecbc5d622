"""The distilled judge: a small model learns a language model's answers and asks it only where it is unsure.

`features` turns pairs into numbers, from codes alone. `model` fits them to the teacher's margins with scikit-learn.
`cascade` labels whole users with the teacher, fits, and sends the least certain pairs back to it; `report` says on
held-out labels how well the student imitates.
"""

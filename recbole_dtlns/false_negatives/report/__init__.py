"""What a judge knows, measured on training pairs that it has not seen, and how sure its scores may be taken to be.

`held_in` takes a tenth of each user's training pairs out, `matching` puts an unseen item of the same popularity beside
each of them, `auc` measures how well a score tells the two apart, and `judge_report` does so for every judge, for
popularity and for the candidate source (`candidate_scores`). `calibration` turns raw scores into probabilities.

Everything comes from the training split: no valid, no test.
"""

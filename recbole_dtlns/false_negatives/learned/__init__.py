"""The learned judge: a small model that is fitted on training pairs which were held in.

A part of each user's training pairs is taken out (`report.held_in`), candidates, trees and scorers are made again from
the rest, and `model` learns which candidates are the pairs that were taken out. What it reads of a pair (`features`)
are the scores of several models fitted on train (`scorers`), popularity, how near the candidate is to the history in
both trees, and whatever other judges said. The same features on the whole of train then give each candidate a
probability. `groups` measures what each kind of feature is worth, `reliability` whether a probability means what it
says. Nothing here reads valid or test.
"""

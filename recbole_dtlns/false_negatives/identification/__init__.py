"""The offline stage as a whole: trees and candidates in, inferred positives and judged lists out."""

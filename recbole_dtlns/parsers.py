"""Moved to `recbole_dtlns.config.parsers`; this import path keeps working for plugins."""

from recbole_dtlns.config.parsers import Key, Parser, flag, number, one_of, or_none, text, unless_empty, whole

__all__ = ["Key", "Parser", "flag", "number", "one_of", "or_none", "text", "unless_empty", "whole"]

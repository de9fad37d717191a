"""Models and database side by side, and the operations that lead from one to the other."""

from __future__ import annotations



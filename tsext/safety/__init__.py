"""What a statement does to those who use the database while it runs, and to the application afterwards."""

from tsext.safety.hazards import Axis, Category, Hazard, Lock, Statement, Work, category

__all__ = ["Axis", "Category", "Hazard", "Lock", "Statement", "Work", "category"]

"""The predecessor's files, read strictly: what of them comes along, where to, and what does not and why.

Read in this order: files, one module for each format, machine, target, plan and its parts, forms, apply.
"""

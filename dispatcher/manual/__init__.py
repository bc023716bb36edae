"""Pages of ``docs/`` that are made from the program itself: ``python -m dispatcher.manual docs``.

What people write of them is in ``templates/manual``; a test names a page that the program has left behind.
"""

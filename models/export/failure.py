class ExportError(Exception):
    """Something the user can mend; the message is one sentence that says what happened and what to do."""

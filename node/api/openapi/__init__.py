"""The OpenAPI document: what each operation answers, with the errors of the table."""

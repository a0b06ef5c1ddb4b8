"""What people do with tracking plans: lint, diff, import, export, infer, clients, templates. No worker imports it."""

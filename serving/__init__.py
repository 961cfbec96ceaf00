"""Prompts in, tokens and usage out: one base model, thousands of LoRA adapters. Knows no HTTP server or money."""

"""The base model: loading it, and computing one step's logits through Hugging Face's forward."""

"""The base model: loading it, and computing one step's logits, fused or through Hugging Face's forward."""

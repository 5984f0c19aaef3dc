"""Turn a Python LLM service into small, proven CPU and CUDA images."""

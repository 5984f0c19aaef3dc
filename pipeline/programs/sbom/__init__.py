"""Write down what an image consists of: packages, wheels, models, the service, who owns each file."""

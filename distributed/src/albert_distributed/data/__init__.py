"""What a run trains on: token stores and stored features, and the batches that are made of them."""

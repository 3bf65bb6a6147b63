"""Between bytes on a door and the model: pure, so that each rule of a wire form can be tested without a server."""

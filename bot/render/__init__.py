"""All wording of the surface: an event or a view becomes a Card. Pure."""

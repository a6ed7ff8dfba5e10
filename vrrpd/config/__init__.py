"""keepalived.conf, read: text to statements (`syntax`), these to a `model.Config` (`keywords`), advice (`lint`)."""

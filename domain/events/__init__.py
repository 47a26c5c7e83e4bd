"""The events by what they are about; `domain.event` joins them."""

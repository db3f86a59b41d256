"""What a render costs: its launches, copies and bytes, counted or measured."""

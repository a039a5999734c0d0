"""What carries the node's messages: rclpy, or plain DDS."""

// Prints the wrist that is nearest to the origin of the poses' frame.
#include <bodypose3d_ros/msg/pose3_d_array.hpp>
#include <cmath>
#include <limits>
#include <rclcpp/rclcpp.hpp>

using bodypose3d_ros::msg::Pose3D;
using bodypose3d_ros::msg::Pose3DArray;

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  auto node = std::make_shared<rclcpp::Node>("nearest_wrist");
  auto subscription = node->create_subscription<Pose3DArray>(
    "/bodypose3d/poses", 10, [&](const Pose3DArray & message) {
      double nearest = std::numeric_limits<double>::infinity();
      for (const auto & pose : message.poses) {
        for (auto index : {Pose3D::LEFT_WRIST, Pose3D::RIGHT_WRIST}) {
          const auto & wrist = pose.joints[index];
          const auto & p = wrist.position;
          if (std::isfinite(p.x)) {nearest = std::min(nearest, std::hypot(p.x, p.y, p.z));}
        }
      }
      RCLCPP_INFO(node->get_logger(), "%.2f m", nearest);
    });
  rclcpp::spin(node);
}

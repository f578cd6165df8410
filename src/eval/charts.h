// Pictures: a needle test's heatmap, and lines over length (perplexity, time).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace quarry::eval {

struct Heatmap {
  std::string title;
  std::vector<int64_t> lengths;  // columns, tokens
  std::vector<int64_t> depths;   // rows, percent
  // [depth][length]: mean score, 0 to 1; unset where there is no result.
  std::vector<std::vector<std::optional<double>>> cells;
};

// Colours from red (0) over yellow to green (1), white lines between cells, a scale at the right.
std::string DrawHeatmap(const Heatmap& map);

struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  struct Line {
    std::string name;
    std::vector<std::pair<double, double>> points;  // ascending x
  };
  std::vector<Line> lines;
  // Logarithmic axes: ticks at powers of two of x, which are lengths, and at powers of ten of y or
  // closer. Points that are not above 0 there are left out.
  bool log_x = false;
  bool log_y = false;
};

// One below the other.
std::string DrawLines(std::span<const LineChart> charts);
std::string DrawLines(const LineChart& chart);

// 131072 -> "128K", 1000000 -> "1000000", 1048576 -> "1M".
std::string LengthLabel(int64_t tokens);

}  // namespace quarry::eval

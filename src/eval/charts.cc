#include "eval/charts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "eval/svg.h"

namespace quarry::eval {
namespace {

constexpr Colour kRed = {0xF0, 0x49, 0x6E};
constexpr Colour kYellow = {0xEB, 0xB8, 0x39};
constexpr Colour kGreen = {0x0C, 0xD7, 0x9F};
constexpr Colour kNothing = {0xDD, 0xDD, 0xDD};
constexpr Colour kGrid = {0xE2, 0xE2, 0xE2};
constexpr Colour kInk = {0x44, 0x44, 0x44};

Colour ColourOf(double score) { return ScaleColour(score, kRed, kYellow, kGreen); }

}  // namespace

std::string LengthLabel(int64_t tokens) {
  if (tokens >= 1 << 20 && tokens % (1 << 20) == 0) return fmt::format("{}M", tokens >> 20);
  if (tokens >= 1 << 10 && tokens % (1 << 10) == 0) return fmt::format("{}K", tokens >> 10);
  return fmt::to_string(tokens);
}

std::string DrawHeatmap(const Heatmap& map) {
  constexpr double kLeft = 70, kTop = 50, kBottom = 78, kRight = 90;
  const double cell_width =
      std::clamp(900.0 / std::max<double>(1, static_cast<double>(map.lengths.size())), 26.0, 90.0);
  const double cell_height =
      std::clamp(420.0 / std::max<double>(1, static_cast<double>(map.depths.size())), 14.0, 42.0);
  const double width = cell_width * static_cast<double>(map.lengths.size());
  const double height = cell_height * static_cast<double>(map.depths.size());
  SvgWriter svg(std::max(kLeft + width + kRight, 480.0), kTop + height + kBottom);

  svg.Text(kLeft, 28, map.title, 15, TextAnchor::kStart);
  for (size_t row = 0; row < map.depths.size(); ++row) {
    const double y = kTop + static_cast<double>(row) * cell_height;
    svg.Text(kLeft - 8, y + cell_height / 2 + 4, fmt::to_string(map.depths[row]), 11,
             TextAnchor::kEnd);
    for (size_t column = 0; column < map.lengths.size(); ++column) {
      const std::optional<double>& score = map.cells[row][column];
      const std::string tip =
          fmt::format("{} tokens, depth {} %: {}", map.lengths[column], map.depths[row],
                      score ? fmt::format("{:.2f}", *score) : "no result");
      svg.Rectangle(kLeft + static_cast<double>(column) * cell_width + 0.5, y + 0.5, cell_width - 1,
                    cell_height - 1, score ? ColourOf(*score) : kNothing, tip);
    }
  }
  for (size_t column = 0; column < map.lengths.size(); ++column) {
    svg.Text(kLeft + (static_cast<double>(column) + 0.5) * cell_width, kTop + height + 16,
             LengthLabel(map.lengths[column]), 11);
  }
  svg.Text(kLeft + width / 2, kTop + height + 42, "context length in tokens", 13);
  svg.Text(18, kTop + height / 2, "depth in percent", 13, TextAnchor::kMiddle, -90);

  constexpr int kSteps = 50;
  for (int i = 0; i < kSteps; ++i) {
    const double value = 1 - (i + 0.5) / kSteps;
    svg.Rectangle(kLeft + width + 20, kTop + height * i / kSteps, 14, height / kSteps + 0.5,
                  ColourOf(value));
  }
  for (double value : {0.0, 0.5, 1.0}) {
    svg.Text(kLeft + width + 40, kTop + height * (1 - value) + 4, fmt::format("{:.1f}", value), 11,
             TextAnchor::kStart);
  }
  return svg.Finish();
}

std::string DrawLines(const LineChart& chart) {
  constexpr Colour kColours[] = {{0x1F, 0x77, 0xB4}, {0xD6, 0x27, 0x28}, {0x2C, 0xA0, 0x2C},
                                 {0x94, 0x67, 0xBD}, {0xFF, 0x7F, 0x0E}, {0x17, 0xBE, 0xCF},
                                 {0x8C, 0x56, 0x4B}, {0xE3, 0x77, 0xC2}};
  constexpr double kLeft = 70, kTop = 50, kWidth = 620, kHeight = 360;
  double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
  for (const auto& line : chart.lines) {
    for (const auto& [x, y] : line.points) {
      if (!std::isfinite(x) || !std::isfinite(y)) continue;
      x_low = std::min(x_low, x), x_high = std::max(x_high, x);
      y_low = std::min(y_low, y), y_high = std::max(y_high, y);
    }
  }
  SvgWriter svg(kLeft + kWidth + 190, kTop + kHeight + 70);
  svg.Text(kLeft, 28, chart.title, 15, TextAnchor::kStart);
  if (!(x_low <= x_high)) return svg.Finish();
  if (x_low == x_high) x_low -= 1, x_high += 1;
  const double pad = y_low == y_high ? 1 : (y_high - y_low) * 0.05;
  y_low -= pad, y_high += pad;
  const auto at_x = [&](double x) { return kLeft + kWidth * (x - x_low) / (x_high - x_low); };
  const auto at_y = [&](double y) { return kTop + kHeight * (y_high - y) / (y_high - y_low); };

  constexpr int kTicks = 5;
  for (int i = 0; i <= kTicks; ++i) {
    const double share = static_cast<double>(i) / kTicks;
    const double x = x_low + (x_high - x_low) * share, y = y_low + (y_high - y_low) * share;
    svg.Line(at_x(x), kTop, at_x(x), kTop + kHeight, kGrid);
    svg.Line(kLeft, at_y(y), kLeft + kWidth, at_y(y), kGrid);
    svg.Text(at_x(x), kTop + kHeight + 18, fmt::format("{:.0f}", x), 11);
    svg.Text(kLeft - 6, at_y(y) + 4, fmt::format("{:.4g}", y), 11, TextAnchor::kEnd);
  }
  svg.Line(kLeft, kTop, kLeft, kTop + kHeight, kInk);
  svg.Line(kLeft, kTop + kHeight, kLeft + kWidth, kTop + kHeight, kInk);
  svg.Text(kLeft + kWidth / 2, kTop + kHeight + 46, chart.x_label, 13);
  svg.Text(18, kTop + kHeight / 2, chart.y_label, 13, TextAnchor::kMiddle, -90);

  for (size_t i = 0; i < chart.lines.size(); ++i) {
    const auto& line = chart.lines[i];
    const Colour colour = kColours[i % std::size(kColours)];
    const std::pair<double, double>* last = nullptr;
    for (const auto& point : line.points) {
      if (!std::isfinite(point.second)) continue;
      if (last != nullptr) {
        svg.Line(at_x(last->first), at_y(last->second), at_x(point.first), at_y(point.second),
                 colour, 2);
      }
      if (line.points.size() <= 50) {
        svg.Circle(at_x(point.first), at_y(point.second), 3, colour,
                   fmt::format("{}: {:.0f}, {:.4g}", line.name, point.first, point.second));
      }
      last = &point;
    }
    const double y = kTop + 14 + 18 * static_cast<double>(i);
    svg.Line(kLeft + kWidth + 14, y - 4, kLeft + kWidth + 34, y - 4, colour, 3);
    svg.Text(kLeft + kWidth + 40, y, line.name, 12, TextAnchor::kStart);
  }
  return svg.Finish();
}

}  // namespace quarry::eval

<?php
// SPDX-License-Identifier: GPL-2.0-only
if ($_SERVER["REQUEST_METHOD"] === "POST") {
    $numbers = json_decode(file_get_contents("php://input"), true)["numbers"];
    sort($numbers);
    header("Content-Type: application/json");
    echo json_encode(["sorted" => $numbers, "sum" => array_sum($numbers)]), "\n";
} else {
    header("Content-Type: text/plain");
    $name = $_GET["name"] ?? "you";
    echo "Hello $name, this is PHP ", PHP_VERSION, " by ", PHP_SAPI, "\n";
}

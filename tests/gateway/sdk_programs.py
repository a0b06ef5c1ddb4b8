"""Six calls as a program of each server library, which gets the write key and the address of a gateway."""

from __future__ import annotations

NODE = """
import { Analytics } from "@segment/analytics-node";
const analytics = new Analytics({ writeKey: process.argv[2], host: process.argv[3] });
const failed = [];
analytics.on("error", (error) => failed.push(error));
analytics.identify({ userId: "u1", traits: { plan: "pro" } });
analytics.track({ userId: "u1", event: "Order Completed", properties: { total: 9.5 }, integrations: { CRM: false } });
analytics.page({ userId: "u1", category: "Docs", name: "Home" });
analytics.screen({ userId: "u1", name: "Start" });
analytics.group({ userId: "u1", groupId: "g1", traits: { name: "Shop" } });
analytics.alias({ userId: "u1", previousId: "a1" });
await analytics.closeAndFlush();
if (failed.length) { console.error(failed); process.exit(1); }
"""
JAVA = """
import com.segment.analytics.Analytics;
import com.segment.analytics.Callback;
import com.segment.analytics.messages.*;
import java.util.Map;
import java.util.concurrent.*;

public class Calls {
  public static void main(String[] given) throws Exception {
    CountDownLatch sent = new CountDownLatch(6);
    Analytics analytics = Analytics.builder(given[0]).endpoint(given[1]).callback(new Callback() {
      public void success(Message message) { sent.countDown(); }
      public void failure(Message message, Throwable error) { error.printStackTrace(); System.exit(1); }
    }).build();
    analytics.enqueue(IdentifyMessage.builder().userId("u1").traits(Map.of("plan", "pro")));
    analytics.enqueue(TrackMessage.builder("Order Completed").userId("u1").properties(Map.of("total", 9.5))
        .enableIntegration("CRM", false));
    analytics.enqueue(PageMessage.builder("Home").userId("u1"));
    analytics.enqueue(ScreenMessage.builder("Start").userId("u1"));
    analytics.enqueue(GroupMessage.builder("g1").userId("u1").traits(Map.of("name", "Shop")));
    analytics.enqueue(AliasMessage.builder("a1").userId("u1"));
    analytics.flush();
    if (!sent.await(60, TimeUnit.SECONDS)) System.exit(2);
    analytics.shutdown();
  }
}
"""
GO = """
package main

import (
	"os"

	"github.com/segmentio/analytics-go/v3"
)

type report struct{ failed bool }

func (r *report) Success(analytics.Message)        {}
func (r *report) Failure(analytics.Message, error) { r.failed = true }

func main() {
	told := &report{}
	client, err := analytics.NewWithConfig(os.Args[1], analytics.Config{Endpoint: os.Args[2], Callback: told})
	if err != nil {
		panic(err)
	}
	for _, message := range []analytics.Message{
		analytics.Identify{UserId: "u1", Traits: analytics.NewTraits().Set("plan", "pro")},
		analytics.Track{UserId: "u1", Event: "Order Completed", Properties: analytics.NewProperties().Set("total", 9.5),
			Integrations: analytics.NewIntegrations().Disable("CRM")},
		analytics.Page{UserId: "u1", Name: "Home"},
		analytics.Screen{UserId: "u1", Name: "Start"},
		analytics.Group{UserId: "u1", GroupId: "g1", Traits: analytics.NewTraits().SetName("Shop")},
		analytics.Alias{UserId: "u1", PreviousId: "a1"},
	} {
		if err := client.Enqueue(message); err != nil {
			panic(err)
		}
	}
	client.Close()
	if told.failed {
		os.Exit(1)
	}
}
"""
RUST_PACKAGE = """
[package]
name = "calls"
version = "0.1.0"
edition = "2021"
resolver = "3"
rust-version = "{rust}"

[dependencies]
segment = {{ version = "={library}", default-features = false }}
reqwest = {{ version = "0.12", default-features = false }}
tokio = {{ version = "1", default-features = false, features = ["rt"] }}
serde_json = "1"
idna_adapter = "=1.0.0"

[profile.dev]
debug = false
incremental = false
"""  # the older idna_adapter is without ICU, which would be a sixth of all that is compiled
RUST = """
use segment::{message::*, Batcher, Client, HttpClient};
use serde_json::json;

fn calls<T: From<Identify> + From<Track> + From<Page> + From<Screen> + From<Group> + From<Alias>>() -> Vec<T> {
    let user = || User::UserId { user_id: "u1".to_owned() };
    let context = || Some(json!({"channel": "server"}));
    vec![
        Identify { user: user(), traits: json!({"plan": "pro"}), context: context(), ..Default::default() }.into(),
        Track { user: user(), event: "Order Completed".to_owned(), properties: json!({"total": 9.5}),
            integrations: Some(json!({"CRM": false})), context: context(), ..Default::default() }.into(),
        Page { user: user(), name: "Home".to_owned(), context: context(), ..Default::default() }.into(),
        Screen { user: user(), name: "Start".to_owned(), context: context(), ..Default::default() }.into(),
        Group { user: user(), group_id: "g1".to_owned(), traits: json!({"name": "Shop"}), context: context(),
            ..Default::default() }.into(),
        Alias { user: user(), previous_id: "a1".to_owned(), context: context(), ..Default::default() }.into(),
    ]
}

async fn send(key: &str, host: &str, batched: bool) -> segment::Result<()> {
    let client = HttpClient::new(reqwest::Client::new(), host.to_owned());
    if batched {
        let mut batcher = Batcher::new(None);
        for call in calls::<BatchMessage>() {
            batcher.push(call)?;
        }
        return client.send(key.to_owned(), batcher.into_message()).await;
    }
    for call in calls::<Message>() {
        client.send(key.to_owned(), call).await?;
    }
    Ok(())
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(&given[1], &given[2], given[3] == "batch")).expect("could not send");
}
"""
RUBY = """
require "segment/analytics"
failed = []
analytics = Segment::Analytics.new(write_key: ARGV[0], host: "localhost", port: ARGV[1].to_i,
                                   on_error: proc { |status, error| failed << [status, error] })
analytics.identify(user_id: "u1", traits: { plan: "pro" })
analytics.track(user_id: "u1", event: "Order Completed", properties: { total: 9.5 }, integrations: { CRM: false })
analytics.page(user_id: "u1", name: "Home")
analytics.screen(user_id: "u1", name: "Start")
analytics.group(user_id: "u1", group_id: "g1", traits: { name: "Shop" })
analytics.alias(user_id: "u1", previous_id: "a1")
analytics.flush
abort failed.inspect if failed.any?
"""
PHP = """<?php
spl_autoload_register(function ($name) {
    $path = str_replace("\\\\", "/", substr($name, strlen("Segment/")));
    require getenv("LIBRARY") . "/lib/$path.php";
});
use Segment\\Segment;
$failed = [];
Segment::init($argv[1], ["host" => "localhost:" . $argv[2], "error_handler" => function ($code, $text) use (&$failed) {
    $failed[] = [$code, $text];
}]);
Segment::identify(["userId" => "u1", "traits" => ["plan" => "pro"]]);
Segment::track(["userId" => "u1", "event" => "Order Completed", "properties" => ["total" => 9.5],
    "integrations" => ["CRM" => false]]);
Segment::page(["userId" => "u1", "name" => "Home"]);
Segment::screen(["userId" => "u1", "name" => "Start"]);
Segment::group(["userId" => "u1", "groupId" => "g1", "traits" => ["name" => "Shop"]]);
Segment::alias(["userId" => "u1", "previousId" => "a1"]);
Segment::flush();
if ($failed) { print_r($failed); exit(1); }
"""
NET = """
using System;
using Segment;
using Segment.Model;

class Calls
{
    static int Main(string[] given)
    {
        Analytics.Initialize(given[0], new Config(host: given[1], gzip: given[2] == "gzip"));
        var failed = 0;
        Analytics.Client.Failed += (call, error) => { failed++; Console.Error.WriteLine(error); };
        Analytics.Client.Identify("u1", new Traits { { "plan", "pro" } });
        Analytics.Client.Track("u1", "Order Completed", new Properties { { "total", 9.5 } },
            new Options().SetIntegration("CRM", false));
        Analytics.Client.Page("u1", "Home");
        Analytics.Client.Screen("u1", "Start");
        Analytics.Client.Group("u1", "g1", new Traits { { "name", "Shop" } });
        Analytics.Client.Alias("a1", "u1");
        Analytics.Client.Flush();
        return failed;
    }
}
"""

//! The AWS SDK for Rust: a user's day.

use aws_config::BehaviorVersion;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::client::Waiters;
use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_ec2::types::{
    Filter, ImageState, Instance, InstanceStateName, InstanceType, IpPermission, IpRange, Placement, ResourceType, Tag,
    TagSpecification,
};
use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

type Done<T = ()> = Result<T, Box<dyn Error>>;

const PATIENCE: Duration = Duration::from_secs(300);
const NOBODY: &str = "i-0123456789abcdef0";

struct Story {
    ec2: Client,
    sts: aws_sdk_sts::Client,
    name: String,
    group: String,
    id: String,
    failed: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if env::args().nth(1).as_deref() == Some("--version") {
        println!("{}", aws_sdk_ec2::meta::PKG_VERSION);
        return;
    }
    let settings = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let mut story = Story {
        ec2: Client::new(&settings),
        sts: aws_sdk_sts::Client::new(&settings),
        name: format!("compat-rust-{}", std::process::id()),
        group: String::new(),
        id: String::new(),
        failed: false,
    };
    let done = story.caller_identity().await;
    story.tell("caller-identity", done);
    let done = story.regions().await;
    story.tell("regions", done);
    let done = story.images().await;
    story.tell("images", done);
    let done = story.key_pair().await;
    story.tell("key-pair", done);
    let done = story.security_group().await;
    story.tell("security-group", done);
    let done = story.launch().await;
    story.tell("launch", done);
    let done = story.describe().await;
    story.tell("describe", done);
    let done = story.filters().await;
    story.tell("filters", done);
    let done = story.tags().await;
    story.tell("tags", done);
    let done = story.stop_start().await;
    story.tell("stop-start", done);
    let done = story.errors().await;
    story.tell("errors", done);
    let done = story.terminate().await;
    story.tell("terminate", done);
    story.clear().await;
    std::process::exit(story.failed.into());
}

fn told(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn kind() -> InstanceType {
    InstanceType::from(env::var("EC2BRIDGE_COMPAT_TYPE").unwrap_or("t2.micro".into()).as_str())
}

fn check(holds: bool, seen: impl std::fmt::Debug) -> Done {
    if holds { Ok(()) } else { Err(format!("seen: {seen:?}").into()) }
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

impl Story {
    fn tell(&mut self, name: &str, done: Done) {
        match done {
            Ok(()) => println!("ok {name}"),
            Err(error) => {
                self.failed = true;
                let why = format!("{}", DisplayErrorContext(error.as_ref()));
                let why: Vec<&str> = why.split_whitespace().collect();
                println!("not ok {name} - {}", why.join(" ").chars().take(500).collect::<String>());
            }
        }
    }

    async fn caller_identity(&self) -> Done {
        let identity = self.sts.get_caller_identity().send().await?;
        check(identity.account().unwrap_or_default().len() == 12, identity)
    }

    async fn regions(&self) -> Done {
        let regions = self.ec2.describe_regions().send().await?;
        let region = told("AWS_DEFAULT_REGION");
        check(regions.regions().iter().any(|r| r.region_name() == Some(&region)), regions)?;
        let zones = self.ec2.describe_availability_zones().send().await?;
        let zone = told("EC2BRIDGE_COMPAT_ZONE");
        check(zones.availability_zones().iter().any(|z| z.zone_name() == Some(&zone)), zones)
    }

    async fn images(&self) -> Done {
        let found = self.ec2.describe_images().image_ids(told("EC2BRIDGE_COMPAT_IMAGE")).send().await?;
        check(found.images()[0].state() == Some(&ImageState::Available), found)
    }

    async fn key_pair(&self) -> Done {
        let key = self.ec2.create_key_pair().key_name(&self.name).send().await?;
        check(key.key_material().unwrap_or_default().contains("PRIVATE KEY"), "no private key")?;
        let seen = self.ec2.describe_key_pairs().key_names(&self.name).send().await?;
        check(seen.key_pairs()[0].key_fingerprint() == key.key_fingerprint(), seen)
    }

    async fn security_group(&mut self) -> Done {
        let request = self.ec2.create_security_group().group_name(&self.name).description("for a test");
        self.group = request.send().await?.group_id().unwrap_or_default().into();
        let range = IpRange::builder().cidr_ip("192.0.2.0/24").description("ssh").build();
        let rule = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22).ip_ranges(range).build();
        self.ec2.authorize_security_group_ingress().group_id(&self.group).ip_permissions(rule).send().await?;
        let shown = self.ec2.describe_security_groups().group_ids(&self.group).send().await?;
        let rules = shown.security_groups()[0].ip_permissions();
        check(rules.len() == 1 && rules[0].ip_ranges()[0].description() == Some("ssh"), rules)
    }

    async fn launch(&mut self) -> Done {
        let named = TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag("Name", &self.name));
        let launched = self
            .ec2
            .run_instances()
            .image_id(told("EC2BRIDGE_COMPAT_IMAGE"))
            .instance_type(kind())
            .min_count(1)
            .max_count(1)
            .key_name(&self.name)
            .security_group_ids(&self.group)
            .placement(Placement::builder().availability_zone(told("EC2BRIDGE_COMPAT_ZONE")).build())
            .tag_specifications(named.build())
            .send()
            .await?;
        self.id = launched.instances()[0].instance_id().unwrap_or_default().into();
        self.ec2.wait_until_instance_running().instance_ids(&self.id).wait(PATIENCE).await?;
        Ok(())
    }

    async fn machine(&self) -> Done<Instance> {
        let found = self.ec2.describe_instances().instance_ids(&self.id).send().await?;
        Ok(found.reservations()[0].instances()[0].clone())
    }

    async fn until(&self, wanted: InstanceStateName) -> Done {
        let started = Instant::now();
        loop {
            let seen = self.machine().await?.state().and_then(|state| state.name().cloned());
            if seen.as_ref() == Some(&wanted) {
                return Ok(());
            }
            check(started.elapsed() < PATIENCE, seen)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn describe(&self) -> Done {
        let seen = self.machine().await?;
        check(seen.instance_type() == Some(&kind()) && seen.key_name() == Some(&self.name), &seen)?;
        let zone = seen.placement().and_then(|place| place.availability_zone());
        check(zone == Some(&told("EC2BRIDGE_COMPAT_ZONE")), &seen)?;
        check(seen.security_groups()[0].group_id() == Some(&self.group), &seen)?;
        check(seen.launch_time().is_some() && seen.private_ip_address().is_some(), &seen)
    }

    async fn filters(&self) -> Done {
        let request = self.ec2.describe_instances().filters(filter("tag:Name", &self.name));
        let request = request.filters(filter("instance-state-name", "running"));
        let mut pages = request.into_paginator().page_size(5).send();
        let mut found = 0;
        while let Some(page) = pages.next().await {
            found += page?.reservations().iter().map(|one| one.instances().len()).sum::<usize>();
        }
        check(found == 1, found)
    }

    async fn tags(&self) -> Done {
        self.ec2.create_tags().resources(&self.id).tags(tag("role", "a b+c~ü")).send().await?;
        let seen = self.ec2.describe_tags().filters(filter("resource-id", &self.id)).send().await?;
        check(seen.tags().iter().any(|one| one.value() == Some("a b+c~ü")), seen)?;
        self.ec2.delete_tags().resources(&self.id).tags(Tag::builder().key("role").build()).send().await?;
        let left = self.machine().await?;
        check(left.tags() == [tag("Name", &self.name)], left.tags())
    }

    async fn stop_start(&self) -> Done {
        self.ec2.stop_instances().instance_ids(&self.id).send().await?;
        self.until(InstanceStateName::Stopped).await?;
        self.ec2.start_instances().instance_ids(&self.id).send().await?;
        self.until(InstanceStateName::Running).await
    }

    async fn errors(&self) -> Done {
        let refused = self.ec2.describe_instances().instance_ids(NOBODY).send().await.expect_err("it is there");
        check(refused.code() == Some("InvalidInstanceID.NotFound"), &refused)?;
        let dry = self.ec2.terminate_instances().instance_ids(&self.id).dry_run(true).send().await;
        let refused = dry.expect_err("it was no dry run");
        check(refused.code() == Some("DryRunOperation"), &refused)
    }

    async fn terminate(&self) -> Done {
        self.ec2.terminate_instances().instance_ids(&self.id).send().await?;
        self.until(InstanceStateName::Terminated).await?;
        self.ec2.delete_security_group().group_id(&self.group).send().await?;
        self.ec2.delete_key_pair().key_name(&self.name).send().await?;
        Ok(())
    }

    /// Takes away what an earlier end has left; what is gone already is no matter.
    async fn clear(&self) {
        if !self.failed {
            return;
        }
        for done in [
            self.ec2.terminate_instances().instance_ids(&self.id).send().await.err().map(|e| format!("{e:?}")),
            self.ec2.delete_key_pair().key_name(&self.name).send().await.err().map(|e| format!("{e:?}")),
            self.ec2.delete_security_group().group_id(&self.group).send().await.err().map(|e| format!("{e:?}")),
        ] {
            eprintln!("clean-up: {done:?}");
        }
    }
}

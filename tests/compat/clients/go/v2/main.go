// The AWS SDK for Go, version 2: a user's day.
package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	. "ec2bridge.example/compat/story"
)

var (
	ctx    = context.Background()
	client *ec2.Client
	ids    []string
	group  string
)

func main() {
	Version("github.com/aws/aws-sdk-go-v2/service/ec2")
	settings := Must(config.LoadDefaultConfig(ctx))
	client = ec2.NewFromConfig(settings)

	Step("caller-identity", func() {
		identity := Must(sts.NewFromConfig(settings).GetCallerIdentity(ctx, nil))
		Check(len(aws.ToString(identity.Account)) == 12, aws.ToString(identity.Account))
	})
	Step("regions", regions)
	Step("images", func() {
		image := Must(client.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{Image}})).Images[0]
		Check(image.State == types.ImageStateAvailable, image.State)
	})
	Step("key-pair", keyPair)
	Step("security-group", securityGroup)
	Step("launch", launch)
	Step("describe", describe)
	Step("filters", filters)
	Step("tags", tags)
	Step("stop-start", stopStart)
	Step("errors", failures)
	Step("terminate", terminate)
	Finish()
}

func regions() {
	seen := ""
	for _, region := range Must(client.DescribeRegions(ctx, &ec2.DescribeRegionsInput{})).Regions {
		seen += " " + aws.ToString(region.RegionName)
	}
	Check(strings.Contains(seen+" ", " "+Region+" "), seen)
	for _, zone := range Must(client.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})).AvailabilityZones {
		seen += " " + aws.ToString(zone.ZoneName)
	}
	Check(strings.Contains(seen+" ", " "+Zone+" "), seen)
}

func keyPair() {
	key := Must(client.CreateKeyPair(ctx, &ec2.CreateKeyPairInput{KeyName: &Name}))
	Later(func() error {
		_, err := client.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyName: &Name})
		return err
	})
	Check(strings.Contains(aws.ToString(key.KeyMaterial), "PRIVATE KEY"), "no private key")
	seen := Must(client.DescribeKeyPairs(ctx, &ec2.DescribeKeyPairsInput{KeyNames: []string{Name}})).KeyPairs[0]
	Check(*seen.KeyFingerprint == *key.KeyFingerprint, *seen.KeyFingerprint+" is not "+*key.KeyFingerprint)
}

func securityGroup() {
	request := &ec2.CreateSecurityGroupInput{GroupName: &Name, Description: aws.String("for a test")}
	group = aws.ToString(Must(client.CreateSecurityGroup(ctx, request)).GroupId)
	Later(func() error {
		_, err := client.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &group})
		return err
	})
	rule := types.IpPermission{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22),
		IpRanges: []types.IpRange{{CidrIp: aws.String("192.0.2.0/24"), Description: aws.String("ssh")}},
	}
	Must(client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{rule},
	}))
	shown := Must(client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{group}}))
	rules := shown.SecurityGroups[0].IpPermissions
	Check(len(rules) == 1 && *rules[0].FromPort == 22, rules)
	Check(aws.ToString(rules[0].IpRanges[0].Description) == "ssh", "the rule's description is lost")
}

func launch() {
	launched := Must(client.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: &Image, InstanceType: types.InstanceType(Type), MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
		KeyName: &Name, SecurityGroupIds: []string{group}, Placement: &types.Placement{AvailabilityZone: &Zone},
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeInstance,
			Tags:         []types.Tag{{Key: aws.String("Name"), Value: &Name}},
		}},
	}))
	ids = []string{aws.ToString(launched.Instances[0].InstanceId)}
	Later(func() error {
		_, err := client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids})
		return err
	})
	patience := func(options *ec2.InstanceRunningWaiterOptions) { options.MinDelay = 300 * time.Millisecond }
	waiter := ec2.NewInstanceRunningWaiter(client, patience)
	if err := waiter.Wait(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids}, 5*time.Minute); err != nil {
		panic(err)
	}
}

func machine() types.Instance {
	found := Must(client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids}))
	return found.Reservations[0].Instances[0]
}

func state() string { return string(machine().State.Name) }

func describe() {
	seen := machine()
	Check(string(seen.InstanceType) == Type, seen.InstanceType)
	Check(aws.ToString(seen.KeyName) == Name, aws.ToString(seen.KeyName))
	Check(aws.ToString(seen.Placement.AvailabilityZone) == Zone, aws.ToString(seen.Placement.AvailabilityZone))
	Check(seen.LaunchTime != nil && seen.PrivateIpAddress != nil, "no time or no address")
	Check(len(seen.SecurityGroups) == 1 && *seen.SecurityGroups[0].GroupId == group, seen.SecurityGroups)
}

func filters() {
	pages := ec2.NewDescribeInstancesPaginator(client, &ec2.DescribeInstancesInput{
		MaxResults: aws.Int32(5),
		Filters: []types.Filter{
			{Name: aws.String("tag:Name"), Values: []string{Name}},
			{Name: aws.String("instance-state-name"), Values: []string{"running"}},
		},
	})
	found := 0
	for pages.HasMorePages() {
		for _, reservation := range Must(pages.NextPage(ctx)).Reservations {
			found += len(reservation.Instances)
		}
	}
	Check(found == 1, found)
}

func tags() {
	role := []types.Tag{{Key: aws.String("role"), Value: aws.String("test")}}
	Must(client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: role}))
	request := &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-id"), Values: ids}}}
	Check(len(Must(client.DescribeTags(ctx, request)).Tags) == 2, "the tag is not there")
	Must(client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: ids, Tags: role}))
	Check(len(machine().Tags) == 1, machine().Tags)
}

func stopStart() {
	Must(client.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: ids}))
	Until("stopped", state)
	Must(client.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: ids}))
	Until("running", state)
}

func failures() {
	_, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
	var refused smithy.APIError
	Check(errors.As(err, &refused) && refused.ErrorCode() == "InvalidInstanceID.NotFound", err)
	_, err = client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids, DryRun: aws.Bool(true)})
	Check(errors.As(err, &refused) && refused.ErrorCode() == "DryRunOperation", err)
}

func terminate() {
	Must(client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}))
	Until("terminated", state)
	Must(client.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &group}))
	Must(client.DeleteKeyPair(ctx, &ec2.DeleteKeyPairInput{KeyName: &Name}))
}
